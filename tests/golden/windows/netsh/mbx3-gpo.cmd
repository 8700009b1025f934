@echo off
rem datapath.exchange: this fills a Group Policy object with the rules of mbx3.
rem Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are
rem blanks. It deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other
rem names: empty the object first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in
rem it.
rem How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
if "%~1"=="" (echo Usage: mbx3-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
set "G=%~1"
set G| "%T%\findstr.exe" /r /x /c:"G=[A-Za-z0-9._-]*\\[A-Za-z0-9 ._-]*" >nul
if errorlevel 1 (echo Usage: mbx3-gpo.cmd DOMAIN\OBJECT with letters, digits, blanks and ._- only& exit /b 2)
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh" || (echo DATAPATH-FAILED 1& exit /b 1)
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site aef508fe"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 2b512e06"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 1ea28e72"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 2dc5ab74"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc b28b6942"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 7bb2bd58"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 32cfba0b"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 3d9c90ac"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi ab2a89f4"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd"
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh" >nul 2>&1
>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set store gpo="%G%"
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985,5986 remoteip=192.0.2.250
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi ab2a89f4" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.131
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 3d9c90ac" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=198.51.100.64/26
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 32cfba0b" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.151
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 7bb2bd58" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.21-192.0.2.22,192.0.2.141,198.51.100.241-198.51.100.242
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc b28b6942" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 2dc5ab74" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.11-192.0.2.12,192.0.2.131
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 1ea28e72" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.41
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in oab-share-pull 2b512e06" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31,192.0.2.151
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site aef508fe" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.151
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set domainprofile state on
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set privateprofile state on
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile logging droppedconnections enable
>>"%TEMP%\datapath-mbx3.netsh" echo advfirewall set publicprofile state on
"%T%\netsh.exe" -f "%TEMP%\datapath-mbx3.netsh"
set "CODE=%errorlevel%"
del /q "%TEMP%\datapath-mbx3.netsh" >nul 2>&1
if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)
echo DATAPATH-DONE
exit /b 0
