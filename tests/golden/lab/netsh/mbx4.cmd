@echo off
rem datapath.exchange: this makes the rules of mbx4. Run it there as an administrator. mbx4-undo.cmd takes it back.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption as_documented, plan dee7f011f2ae.
rem It first saves the whole policy of the firewall as mbx4-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0mbx4-before.wfw" (echo mbx4.cmd has run already. Run mbx4-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0mbx4-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0mbx4-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management 4cb9bf9a" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985-5986 remoteip=10.77.0.10,fd77::10 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi 19edc0cb" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.2.21,fd77:0:0:2::21 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 18dede70" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.9.81,fd77:0:0:9::81 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 5aff8251" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.2.51,fd77:0:0:2::51 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 21d26dfe" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.41-10.77.1.42,10.77.2.41-10.77.2.42,fd77:0:0:1::41-fd77:0:0:1::42,fd77:0:0:2::41-fd77:0:0:2::42 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc fde80339" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.51,10.77.2.51,fd77:0:0:1::51,fd77:0:0:2::51 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc bffb93d1" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.21,10.77.2.21,fd77:0:0:1::21,fd77:0:0:2::21 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 1f59042a" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=135,1025-60000 remoteip=10.77.1.61,fd77:0:0:1::61 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in oab-share-pull 3b7e9071" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=10.77.1.51,10.77.2.51,fd77:0:0:1::51,fd77:0:0:2::51 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop 9a7bea31" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=10.77.0.10,fd77::10 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site 818a7950" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=10.77.2.51,fd77:0:0:2::51 || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 20& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 21& exit /b 1)
echo DATAPATH-DONE
exit /b 0
