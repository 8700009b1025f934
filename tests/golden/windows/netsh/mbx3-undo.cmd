@echo off
rem datapath.exchange: this takes back what mbx3.cmd made on mbx3. Run it there as an administrator.
rem Windows Server 2008, roles mailbox, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It imports mbx3-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of mbx3.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as mbx3-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0mbx3-before.wfw" (echo mbx3-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0mbx3-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site aef508fe" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 2b512e06" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 1ea28e72" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 2dc5ab74" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc b28b6942" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 7bb2bd58" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 32cfba0b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 3d9c90ac" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi ab2a89f4" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site aef508fe|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop adc02d37|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in oab-share-pull 2b512e06|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 1ea28e72|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 2dc5ab74|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc b28b6942|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 7bb2bd58|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-cas-to-mailbox 32cfba0b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mapi-to-mailbox 3d9c90ac|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-mailbox-mapi ab2a89f4|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management 50aecdfd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 12& set "FAILED=1")
"%T%\reg.exe" delete "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "Ports" /f >nul 2>&1
"%T%\reg.exe" delete "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "PortsInternetAvailable" /f >nul 2>&1
"%T%\reg.exe" delete "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "UseInternetPorts" /f >nul 2>&1
if not exist "%~dp0mbx3-registry-1.reg" goto absent1
"%T%\reg.exe" import "%~dp0mbx3-registry-1.reg" || (echo DATAPATH-FAILED 13& set "FAILED=1")
:absent1
if exist "%~dp0mbx3-dynamicport.txt" type "%~dp0mbx3-dynamicport.txt"
echo The range of dynamic ports was as above. Set it by hand: netsh int ipv4 set dynamicport tcp start=FIRST num=COUNT, and ipv6.
set "FAILED=1"
echo Restart this host: its range of RPC ports counts from then on.
if defined FAILED exit /b 1
del /q "%~dp0mbx3-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
